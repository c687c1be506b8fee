"""Blocks of memory in huge pages, where the system has them.

With small pages a core that reads at the memory's speed waits for page tables.
"""

from __future__ import annotations

import mmap


def block(size: int) -> mmap.mmap:
    """At least that many bytes, zero, on a page; kept as long as the result or a view of it is.

    The block is private: mapped memory that could be shared gets no huge pages on most systems.
    """
    size = max(size, mmap.PAGESIZE)
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    made = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        made.madvise(mmap.MADV_HUGEPAGE)
    return made
