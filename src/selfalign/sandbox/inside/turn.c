/* The turns of programs that are well-behaved, without Python in between: fork, wait, kill, collect, look around.
 *
 * A process that forks pays for every page that it touches until its next fork, and Python touches some two hundred
 * for a program. This touches ten. Whatever is not one of the two common endings within the patience given (the
 * program's end is proved; or it is gone), and whatever it leaves behind, is left to Python: see turn.py for the
 * fields, for the same in Python, and program.py for the proof of an end.
 *
 * No Python is called from here. As the library is loaded before all others, its names are theirs too, and so are long.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUT, ERR, CONTROL, STREAMS };
enum { LIMITS = 8, PLACES = 8, DIRECTORIES = 4, PATH = 256, PLACE = 64, KEPT = 1024, MOST = 64 };
enum { OPEN, PROVED, GONE, FAILED };
/* Looks for a program's end once it is announced: the first after no more than letting it run, where it shares our
 * processor. And more descriptors than a zygote ever has. */
enum { LOOKS = 20, AT_ONCE = 4, LOOK_NS = 30000, DESCRIPTORS = 256 };

struct limits {
    int32_t count;
    int32_t which[LIMITS];
    struct rlimit values[LIMITS];
};

struct slot {
    int32_t supervisor;
    int32_t places;
    int32_t directories;
    int32_t patience_ms;
    char place[PLACES][PLACE];
    char directory[DIRECTORIES][PATH];
    int64_t size[DIRECTORIES];
    int64_t mode[DIRECTORIES];
};

struct turn {
    const struct limits *limits;
    int32_t given;
    int32_t end;
    int32_t left;
    int32_t pid;
    int32_t handle;
    int32_t status;
    int32_t stream[STREAMS];
    int32_t length[STREAMS];
    double started;
    double wall_s;
    double cpu_s;
    int64_t peak_kb;
    char place[PLACE];
    char read[STREAMS][KEPT];
};

/* Not on the heap: it is written to after forks, which would split a huge page. */
struct turn selfalign_room[MOST];

int32_t selfalign_sizes(int32_t which)
{
    return which ? sizeof(struct turn) : sizeof(struct slot);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void become_program(const struct turn *turn, int pipes[STREAMS][2])
{
    const int32_t from[] = {turn->given, pipes[OUT][1], pipes[ERR][1], pipes[CONTROL][1]};
    for (int target = 0; target < 4; target++)
        dup2(from[target], target);
    if (syscall(SYS_close_range, 4, ~0U, 0))
        for (int descriptor = 4; descriptor < DESCRIPTORS; descriptor++)
            close(descriptor);
    setsid();
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
        _exit(99);
    for (int number = 0; number < turn->limits->count; number++)
        if (setrlimit(turn->limits->which[number], &turn->limits->values[number]))
            _exit(99);
}

/* Read what is there, up to a full buffer; return 0 once the other end is closed. */
static int take(struct turn *turn, int stream)
{
    int room = KEPT - turn->length[stream];
    ssize_t count = read(turn->stream[stream], turn->read[stream] + turn->length[stream], room);
    if (count > 0)
        turn->length[stream] += count;
    return count > 0 || (count < 0 && errno == EAGAIN);
}

/* The system call, stack pointer and program counter of a waiting process, as the kernel writes them. */
static int place_in(int descriptor, char *place)
{
    char text[256];
    ssize_t count = pread(descriptor, text, sizeof text - 1, 0);
    if (count <= 0)
        return 0;
    text[count] = 0;
    char *counter = strrchr(text, ' ');
    if (!counter || counter == text)
        return 0;
    char *stack = memrchr(text, ' ', counter - text), *number = strchr(text, ' ');
    if (!stack || number == stack || text[0] == '-')
        return 0;
    size_t first = number - text, rest = strcspn(stack, "\n");
    if (first + rest >= PLACE)
        return 0;
    memset(place, 0, PLACE);
    memcpy(place, text, first);
    memcpy(place + first, stack, rest);
    return 1;
}

static int ended(const struct slot *slot, struct turn *turn)
{
    char path[32] = "/proc/", digits[12];
    int length = 0, proved = 0;
    for (int number = turn->pid; number; number /= 10)
        digits[length++] = '0' + number % 10;
    for (int place = 6; length; place++)
        path[place] = digits[--length];
    strcat(path, "/syscall");
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    const struct timespec brief = {0, LOOK_NS};
    for (int look = 0; look < LOOKS && !proved; look++) {
        if (look < AT_ONCE)
            sched_yield();
        else
            nanosleep(&brief, NULL);
        if (place_in(descriptor, turn->place))
            for (int place = 0; place < slot->places; place++)
                proved |= !strcmp(turn->place, slot->place[place]);
    }
    close(descriptor);
    return proved;
}

/* Whether the last that was read says that the program has come to its end: see `execute` of program.py. It is worth
 * looking then; a program that fails says how instead, and goes. */
static int announced(const struct turn *turn)
{
    int32_t length = turn->length[CONTROL];
    return length >= 3 && !memcmp(turn->read[CONTROL] + length - 3, "{}\n", 3);
}

/* Follow a program for as long as it does what most do; return how it ended, or OPEN. */
static int follow(const struct slot *slot, struct turn *turn)
{
    struct pollfd polls[] = {
        {turn->stream[OUT], POLLIN, 0},
        {turn->stream[ERR], POLLIN, 0},
        {turn->stream[CONTROL], POLLIN, 0},
        {turn->handle, POLLIN, 0},
        {slot->supervisor, 0, 0},
    };
    for (;;) {
        int left = slot->patience_ms - (int)((now() - turn->started) * 1000);
        if (left <= 0 || poll(polls, 5, left) <= 0 || polls[4].revents)
            return OPEN;
        for (int stream = 0; stream < STREAMS; stream++)
            if (polls[stream].revents && !take(turn, stream))
                polls[stream].fd = -1;
        if (turn->length[OUT] == KEPT || turn->length[ERR] == KEPT || turn->length[CONTROL] == KEPT)
            return OPEN;
        if (polls[3].revents)
            return GONE;
        if (polls[CONTROL].revents & POLLIN && announced(turn) && ended(slot, turn))
            return PROVED;
    }
}

/* Read what is in the pipes still; return 0 if it is more than is kept here. */
static int drain(struct turn *turn)
{
    for (int stream = 0; stream < STREAMS; stream++) {
        int before;
        do {
            before = turn->length[stream];
            take(turn, stream);
            if (turn->length[stream] == KEPT)
                return 0;
        } while (turn->length[stream] > before);
    }
    return 1;
}

static int looks_empty(const struct slot *slot)
{
    for (int number = 0; number < slot->directories; number++) {
        struct stat seen;
        if (lstat(slot->directory[number], &seen))
            return 0;
        if (seen.st_size != slot->size[number] || seen.st_mode != slot->mode[number])
            return 0;
    }
    return 1;
}

/* Begin a program: 0 in its process. */
static int begin(struct turn *turn)
{
    int pipes[STREAMS][2];
    for (int stream = 0; stream < STREAMS; stream++)
        if (pipe2(pipes[stream], O_CLOEXEC))
            return -1;
    turn->started = now();
    turn->pid = fork();
    if (turn->pid == 0) {
        become_program(turn, pipes);
        return 0;
    }
    if (turn->pid < 0)
        return -1;
    const int yes = 1;
    for (int stream = 0; stream < STREAMS; stream++) {
        close(pipes[stream][1]);
        ioctl(pipes[stream][0], FIONBIO, &yes);
        turn->stream[stream] = pipes[stream][0];
    }
    turn->handle = syscall(SYS_pidfd_open, turn->pid, 0);
    return turn->handle < 0 ? -1 : 1;
}

static void finish(const struct slot *slot, struct turn *turn)
{
    struct rusage usage;
    close(turn->handle);
    for (int stream = 0; stream < STREAMS; stream++)
        close(turn->stream[stream]);
    kill(turn->pid, SIGKILL);
    int found;
    do
        found = wait4(turn->pid, &turn->status, 0, &usage);
    while (found < 0 && errno == EINTR);
    if (found != turn->pid) {
        turn->end = FAILED;
        return;
    }
    turn->cpu_s = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    turn->peak_kb = usage.ru_maxrss;
    /* Whether the kernel was out of memory is known to the supervisor, which is to look at once. */
    int killed = turn->end == GONE && WIFSIGNALED(turn->status);
    turn->left = killed || waitpid(-1, NULL, WNOHANG) != -1 || !looks_empty(slot);
    turn->wall_s = now() - turn->started;
}

/* Run programs `first` to `count` - 1 one after the other.
 *
 * Returns the number of the program in its own process. In the zygote, -1 - the number of the first that has not begun:
 * the one before that is open, or has left something behind, unless all are done.
 */
int32_t selfalign_turns(const struct slot *slot, struct turn *turn, int32_t first, int32_t count)
{
    for (int number = first; number < count; number++) {
        struct turn *mine = turn + number;
        int begun = begin(mine);
        if (begun == 0)
            return number;
        mine->end = begun < 0 ? FAILED : follow(slot, mine);
        if (mine->end == PROVED || mine->end == GONE) {
            if (drain(mine))
                finish(slot, mine);
            else
                mine->end = OPEN;
        }
        if (mine->left || mine->end == OPEN || mine->end == FAILED)
            return -2 - number;
    }
    return -1 - count;
}
