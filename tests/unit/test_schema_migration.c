/*
 * test_schema_migration.c - which files are ours, and how an older one becomes a current one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/store/schema.h"
#include "tests/unit/store_fixture.h"

/* A file as a program of this schema version left it, with one certificate in it. */
static void make_version(const char *path, int version)
{
    sqlite3 *db = NULL;
    struct failure failure;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(schema_migrate(db, path, version, &failure) == 0, "%s", failure.reason);
    ck_assert_int_eq(sqlite3_exec(db,
                                  "INSERT INTO authority (fingerprint, issued) VALUES (x'ca00000000000000000000000000000000000000000000000000000000000000', 1);"
                                  "INSERT INTO certificate (authority, serial, not_before, not_after, issued_at, requester_uid, purposes, name,"
                                  " label, profile, service, request_id, fingerprint, subject, sans, der)"
                                  " VALUES (1, x'19ab', 1, 4000000000, 1, 1000, 1, 'alice', '', 'client', 'default', '', zeroblob(32),"
                                  " 'CN=alice', 'DNS:alice', x'30');",
                                  NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void check_refused(struct fixture *fixture, const char *words)
{
    struct committer *committer = NULL;
    struct store *store = NULL;
    ck_assert_int_eq(committer_start(fixture->path, our_authority, &committer, &fixture->failure), -1);
    ck_assert_msg(strstr(fixture->failure.reason, words) && strstr(fixture->failure.reason, fixture->path), "%s",
                  fixture->failure.reason);
    ck_assert_ptr_null(committer);
    ck_assert_int_eq(store_open(fixture->path, our_authority, &store, &fixture->failure), -1);
    ck_assert_msg(strstr(fixture->failure.reason, words) != NULL, "%s", fixture->failure.reason);
}

START_TEST(a_new_file_is_private_and_current)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct fixture fixture;
    struct stat status;
    fixture_path(&fixture);
    umask(0);
    fixture_start(&fixture);
    insert_rows(&fixture, 1, 1, NULL);
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", fixture.path, suffixes[i]);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode & 07777, 0600);
    }
    ck_assert_int_eq(query_number(fixture.path, "PRAGMA user_version"), SCHEMA_VERSION);
    ck_assert_int_eq(query_number(fixture.path, "PRAGMA application_id"), DATABASE_APPLICATION_ID);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(an_open_file_is_closed_to_others)
{
    struct fixture fixture;
    struct stat status;
    fixture_path(&fixture);
    make_version(fixture.path, SCHEMA_VERSION);
    ck_assert_int_eq(chmod(fixture.path, 0644), 0);
    fixture_start(&fixture);
    ck_assert_int_eq(stat(fixture.path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(every_older_version_becomes_the_current_one)
{
    const struct serial serial = {.length = 2, .bytes = {0x19, 0xab}};
    for (int version = 1; version <= SCHEMA_VERSION; version++) {
        struct fixture fixture;
        struct certificate_row row;
        struct store_counts counts;
        fixture_path(&fixture);
        make_version(fixture.path, version);
        ck_assert_int_eq(query_number(fixture.path, "PRAGMA user_version"), version);
        fixture_start(&fixture);
        ck_assert_int_eq(query_number(fixture.path, "PRAGMA user_version"), SCHEMA_VERSION);
        ck_assert_int_eq(store_find(fixture.store, &serial, &row, &fixture.failure), 1);
        ck_assert_str_eq(row.name, "alice");
        ck_assert_int_eq(row.last_seen, 0);
        certificate_row_clear(&row);
        insert_rows(&fixture, 1, 1, NULL);
        ck_assert_int_eq(store_count(fixture.store, NOW, &counts, &fixture.failure), 0);
        ck_assert_int_eq(counts.live, 2);
        fixture_remove(&fixture);
    }
}
END_TEST

START_TEST(only_the_committer_migrates)
{
    struct fixture fixture;
    fixture_path(&fixture);
    make_version(fixture.path, 1);
    ck_assert_int_eq(store_open(fixture.path, our_authority, &fixture.store, &fixture.failure), -1);
    ck_assert_ptr_nonnull(strstr(fixture.failure.reason, "schema version 1"));
    ck_assert_int_eq(query_number(fixture.path, "PRAGMA user_version"), 1);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_newer_version_is_refused_by_name)
{
    struct fixture fixture;
    fixture_path(&fixture);
    make_version(fixture.path, SCHEMA_VERSION);
    execute_sql(fixture.path, "PRAGMA user_version=77");
    check_refused(&fixture, "schema version 77");
    ck_assert_int_eq(query_number(fixture.path, "PRAGMA user_version"), 77);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(the_database_of_another_program_is_left_alone)
{
    struct fixture fixture;
    fixture_path(&fixture);
    execute_sql(fixture.path, "CREATE TABLE bookmarks (url TEXT)");
    check_refused(&fixture, "another program");
    execute_sql(fixture.path, "PRAGMA application_id=252006675");
    check_refused(&fixture, "another program");
    ck_assert_int_eq(query_number(fixture.path, "SELECT count(*) FROM sqlite_schema"), 1);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_left_alone)
{
    struct fixture fixture;
    fixture_path(&fixture);
    FILE *file = fopen(fixture.path, "w");
    for (int i = 0; i < 200; i++)
        fputs("this is a letter to my aunt, and no database\n", file);
    fclose(file);
    check_refused(&fixture, "no SQLite database");
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_link_in_place_of_the_file_is_not_followed)
{
    struct fixture fixture;
    char target[128];
    struct committer *committer = NULL;
    fixture_path(&fixture);
    snprintf(target, sizeof target, "%s-target", fixture.path);
    ck_assert_int_eq(symlink(target, fixture.path), 0);
    ck_assert_int_eq(committer_start(fixture.path, our_authority, &committer, &fixture.failure), -1);
    ck_assert_ptr_nonnull(strstr(fixture.failure.reason, "regular file"));
    ck_assert_int_eq(access(target, F_OK), -1);
    fixture_remove(&fixture);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_named)
{
    struct fixture fixture;
    struct committer *committer = NULL;
    fixture_path(&fixture);
    ck_assert_int_eq(committer_start("/nonexistent/directory/index", our_authority, &committer, &fixture.failure), -1);
    ck_assert_ptr_nonnull(strstr(fixture.failure.reason, "/nonexistent/directory/index: No such file"));
    fixture_remove(&fixture);
}
END_TEST

UNIT_MAIN("schema_migration", a_new_file_is_private_and_current, an_open_file_is_closed_to_others,
          every_older_version_becomes_the_current_one, only_the_committer_migrates, a_newer_version_is_refused_by_name,
          the_database_of_another_program_is_left_alone, a_file_that_is_no_database_is_left_alone,
          a_link_in_place_of_the_file_is_not_followed, a_directory_that_is_not_there_is_named)
