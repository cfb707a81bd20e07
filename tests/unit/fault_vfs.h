/*
 * fault_vfs.h - SQLite's own file access with faults on demand: a disk that is full, a write or an fsync that fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Call fault_vfs_install before a database is opened; then set fault_write or fault_sync to the SQLite code that the write-ahead log's next
 * writes or syncs shall answer (SQLITE_OK: none). Both are counted down from fault_after calls.
 */
#ifndef MTLSD_TESTS_UNIT_FAULT_VFS_H
#define MTLSD_TESTS_UNIT_FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int fault_write, fault_sync, fault_after, fault_hits;
static atomic_uint fault_delay; /* microseconds that each sync of the log takes longer */

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs fault_vfs;
static sqlite3_vfs *fault_real_vfs;

static inline sqlite3_file *fault_real(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static inline int fault_of(atomic_int *fault)
{
    if (*fault == SQLITE_OK || atomic_fetch_sub(&fault_after, 1) > 0)
        return SQLITE_OK;
    fault_hits++;
    return *fault;
}

#define FAULT_PASS(name, parameters, arguments)                                                                     \
    static int fault_##name parameters                                                                              \
    {                                                                                                               \
        sqlite3_file *real = fault_real(file);                                                                      \
        return real->pMethods->x##name arguments;                                                                   \
    }
FAULT_PASS(Read, (sqlite3_file *file, void *data, int size, sqlite3_int64 at), (real, data, size, at))
FAULT_PASS(Truncate, (sqlite3_file *file, sqlite3_int64 size), (real, size))
FAULT_PASS(FileSize, (sqlite3_file *file, sqlite3_int64 *size), (real, size))
FAULT_PASS(Lock, (sqlite3_file *file, int level), (real, level))
FAULT_PASS(Unlock, (sqlite3_file *file, int level), (real, level))
FAULT_PASS(CheckReservedLock, (sqlite3_file *file, int *result), (real, result))
FAULT_PASS(FileControl, (sqlite3_file *file, int op, void *argument), (real, op, argument))
FAULT_PASS(SectorSize, (sqlite3_file *file), (real))
FAULT_PASS(DeviceCharacteristics, (sqlite3_file *file), (real))
FAULT_PASS(ShmMap, (sqlite3_file *file, int page, int size, int extend, void volatile **out), (real, page, size, extend, out))
FAULT_PASS(ShmLock, (sqlite3_file *file, int offset, int n, int flags), (real, offset, n, flags))
FAULT_PASS(ShmUnmap, (sqlite3_file *file, int remove), (real, remove))
FAULT_PASS(Fetch, (sqlite3_file *file, sqlite3_int64 at, int size, void **out), (real, at, size, out))
FAULT_PASS(Unfetch, (sqlite3_file *file, sqlite3_int64 at, void *page), (real, at, page))

static void fault_ShmBarrier(sqlite3_file *file)
{
    sqlite3_file *real = fault_real(file);
    real->pMethods->xShmBarrier(real);
}

static int fault_Close(sqlite3_file *file)
{
    sqlite3_file *real = fault_real(file);
    int rc = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
    file->pMethods = NULL;
    return rc;
}

static int plain_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xWrite(real, data, size, at);
}

static int plain_sync(sqlite3_file *file, int flags)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xSync(real, flags);
}

static int faulty_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    int rc = fault_of(&fault_write);
    return rc ? rc : plain_write(file, data, size, at);
}

/* The pages have reached the file when the sync fails: they are what may come back with the next start. */
static int faulty_sync(sqlite3_file *file, int flags)
{
    if (fault_delay)
        usleep(fault_delay);
    int rc = fault_of(&fault_sync);
    return rc ? rc : plain_sync(file, flags);
}

#define FAULT_METHODS(write, sync)                                                                                  \
    {3, fault_Close, fault_Read, write, fault_Truncate, sync, fault_FileSize, fault_Lock, fault_Unlock,             \
     fault_CheckReservedLock, fault_FileControl, fault_SectorSize, fault_DeviceCharacteristics, fault_ShmMap,       \
     fault_ShmLock, fault_ShmBarrier, fault_ShmUnmap, fault_Fetch, fault_Unfetch}
static const sqlite3_io_methods plain_methods = FAULT_METHODS(plain_write, plain_sync);
static const sqlite3_io_methods faulty_methods = FAULT_METHODS(faulty_write, faulty_sync);

static int fault_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    struct fault_file *faulty = (struct fault_file *)file;
    (void)vfs;
    faulty->real = (sqlite3_file *)(faulty + 1);
    int rc = fault_real_vfs->xOpen(fault_real_vfs, name, faulty->real, flags, out_flags);
    file->pMethods = rc != SQLITE_OK ? NULL : flags & SQLITE_OPEN_WAL ? &faulty_methods : &plain_methods;
    return rc;
}

static inline void fault_vfs_install(void)
{
    fault_real_vfs = sqlite3_vfs_find(NULL);
    fault_vfs = *fault_real_vfs;
    fault_vfs.zName = "faults";
    fault_vfs.szOsFile += (int)sizeof(struct fault_file);
    fault_vfs.xOpen = fault_open;
    sqlite3_vfs_register(&fault_vfs, 1);
}

#endif
