/* The zygote's memory in huge pages.
 *
 * A fork copies the entry of every page that was written to, and the end of the process takes each of them down: together
 * a third of what a short program costs. For what lies in a huge page there is one entry instead of 512, and once the
 * program writes there, its 512 entries are for one piece of memory, which is quicker too.
 *
 * When this is loaded, before there is a Python, `prepare` has memory allocated where huge pages can be. `selfalign_gather`
 * makes them, once all is loaded that is to be, and puts Python's code into some. Where the kernel cannot do so (before
 * Linux 6.1, or memory is short), all is as it would be otherwise.
 */

#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* On x86-64, and on aarch64 with pages of 4 KiB. */
#define HUGE ((size_t)2 << 20)
#define CHUNKS 32
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* PyObjectArenaAllocator of Python's C API. */
struct allocator {
    void *context;
    void *(*allocate)(void *context, size_t size);
    void (*release)(void *context, void *address, size_t size);
};
extern void PyObject_GetArenaAllocator(struct allocator *) __attribute__((weak));
extern void PyObject_SetArenaAllocator(struct allocator *) __attribute__((weak));

static struct allocator usual;
static char *chunk[CHUNKS], *heap;
static size_t chunks, used = HUGE;

static char *aligned(char *address)
{
    return (char *)(((uintptr_t)address + HUGE - 1) & ~(HUGE - 1));
}

/* Memory of the size of a huge page, aligned like one. */
static char *map_huge(void)
{
    char *room = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    char *start = aligned(room);
    if (start > room)
        munmap(room, start - room);
    munmap(start + HUGE, room + HUGE - start);
    madvise(start, HUGE, MADV_HUGEPAGE);
    return start;
}

/* A block for small objects: part of an aligned chunk of the size of a huge page. What is released is just unmapped. */
static void *allocate(void *context, size_t size)
{
    (void)context;
    if (used + size > HUGE) {
        char *next = size > HUGE || chunks == CHUNKS ? NULL : map_huge();
        if (!next)
            return usual.allocate(usual.context, size);
        chunk[chunks++] = next;
        used = 0;
    }
    used += size;
    return chunk[chunks - 1] + used - size;
}

/* Put a copy of the code between two addresses in huge pages into its place. */
static void gather_code(char *first, char *last)
{
    for (char *block = aligned(first); block + HUGE <= last; block += HUGE) {
        char *copy = map_huge();
        if (!copy)
            return;
        memcpy(copy, block, HUGE);
        if (mprotect(copy, HUGE, PROT_READ | PROT_EXEC) || madvise(copy, HUGE, MADV_COLLAPSE)
            || mremap(copy, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, block) == MAP_FAILED)
            munmap(copy, HUGE);
    }
}

/* Make one mapping, where there were three, of what is never written to of a library: its code with the constants and tables
 * around it, from the first segment to the first that can be written, if in one piece. Python's own goes into huge pages:
 * each process would map it anew otherwise, piece by piece. */
static int simplify(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    const uintptr_t page = sysconf(_SC_PAGESIZE), python = (uintptr_t)PyObject_GetArenaAllocator;
    uintptr_t first = 0, last = 0;
    for (int number = 0; number < info->dlpi_phnum; number++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[number];
        if (part->p_type != PT_LOAD)
            continue;
        uintptr_t start = info->dlpi_addr + part->p_vaddr;
        if (part->p_flags & PF_W || (last && (start & -page) > last))
            break;
        if (!last)
            first = start & -page;
        last = (start + part->p_memsz + page - 1) & -page;
    }
    mprotect((void *)first, last - first, PROT_READ | PROT_EXEC);
    if (first <= python && python < last)
        gather_code((char *)first, (char *)last);
    return 0;
}

/* Move the end of the heap to where a huge page can begin. */
static char *aligned_break(void)
{
    char *now = sbrk(0);
    if (now == (void *)-1 || sbrk(aligned(now) - now) == (void *)-1)
        return NULL;
    return aligned(now);
}

/* Have memory allocated where huge pages can be. Called when the library is loaded, before there is a Python. */
__attribute__((constructor)) static void prepare(void)
{
    heap = aligned_break();
    if (PyObject_GetArenaAllocator && PyObject_SetArenaAllocator) {
        PyObject_GetArenaAllocator(&usual);
        struct allocator ours = {NULL, allocate, usual.release};
        PyObject_SetArenaAllocator(&ours);
    }
}

/* Make huge pages of what was allocated since `prepare`, and again of those that had to be split since the last time.
 * What is allocated from now on is the programs'. */
void selfalign_gather(void)
{
    static char *end;
    if (!end) {
        end = aligned_break();
        if (usual.allocate)
            PyObject_SetArenaAllocator(&usual);
        dl_iterate_phdr(simplify, NULL);
    }
    if (heap && end > heap)
        madvise(heap, end - heap, MADV_COLLAPSE);
    for (size_t number = 0; number < chunks; number++)
        madvise(chunk[number], HUGE, MADV_COLLAPSE);
}
