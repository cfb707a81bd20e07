# memory.py - does the memory of a process hold these words? Exit 0 where it does, 1 where not.
# SPDX-License-Identifier: Apache-2.0
import sys

needle = sys.argv[2].encode()
with open(f"/proc/{sys.argv[1]}/maps") as maps, open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory:
    for line in maps:
        span, mode = line.split()[:2]
        if "r" not in mode or line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
            continue
        start, end = (int(text, 16) for text in span.split("-"))
        try:
            memory.seek(start)
            if needle in memory.read(end - start):
                sys.exit(0)
        except OSError:
            continue
sys.exit(1)
