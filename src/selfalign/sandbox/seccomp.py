"""The system call filter of every slot, as a classic BPF program (seccomp(2)).

It is a list of what Python programs need; every other system call fails as if the kernel did not have it (ENOSYS), for
which libraries have a fallback. Not among them are calls that reach other processes, namespaces, the kernel's own tables,
objects that outlive a process (System V and POSIX IPC, extended attributes), and what a whole machine or user has a limited
number of (asynchronous I/O contexts, inotify instances, keys, huge pages). Calls that only an attack makes end the program
(``forbidden``); those that libraries try first fail with the error that they expect. Sockets exist for the local families only.
Limits and scheduling can be set for the calling process alone: those of the zygote, which is the same user, are every later
program's.
"""

from __future__ import annotations

import errno
import platform
import struct

from selfalign.core.errors import InfrastructureError

KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, MORE_THAN, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06
NUMBER, ARCH, FIRST_ARGUMENT, SECOND_ARGUMENT, FOURTH_ARGUMENT = 0, 4, 16, 24, 40
X32 = 0x40000000
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{USER,PID,NET,IPC,UTS,CGROUP,NS,TIME}
FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: inside a network of its own

# Name: numbers on x86-64 and aarch64 (None: no such call). Source: the kernel's syscall tables.
ENDS = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
}
FAILS = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "name_to_handle_at": (303, 264),
    "memfd_secret": (447, 447),
    "personality": (135, 92),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "ioprio_set": (251, 30),
}
# Only for the caller: the first so many arguments are 0.
OWN = {
    "prlimit64": (302, 261, 1),
    "sched_setaffinity": (203, 122, 1),
    "sched_setparam": (142, 118, 1),
    "sched_setscheduler": (144, 119, 1),
    "sched_setattr": (314, 274, 1),
    "setpriority": (141, 140, 2),
}
# Numbers; position of an argument, its refused values, and the error.
REFUSED_VALUES = {
    # TIOCSTI and TIOCLINUX (terminal input), FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR (file flags, which stay).
    "ioctl": (16, 29, SECOND_ARGUMENT, (0x5412, 0x541C, 0x40086602, 0x401C5820), errno.ENOTTY),
    # F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ (a user has a limited number of pipe buffers).
    "fcntl": (72, 25, SECOND_ARGUMENT, (1024, 1026, 1031), errno.EPERM),
}
# Numbers; position of an argument, its refused bits, and the error.
REFUSED_BITS = {
    "mmap": (9, 222, FOURTH_ARGUMENT, 0x40000, errno.ENOMEM),  # MAP_HUGETLB
    "memfd_create": (319, 279, SECOND_ARGUMENT, 0x4, errno.EINVAL),  # MFD_HUGETLB
}
# Name, and number on x86-64 and aarch64.
ALLOWED = """
read:0:63 write:1:64 open:2:- close:3:57 stat:4:- fstat:5:80 lstat:6:- poll:7:- lseek:8:62 mmap:9:222
mprotect:10:226 munmap:11:215 brk:12:214 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
ioctl:16:29 pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66 access:21:- pipe:22:- select:23:-
sched_yield:24:124 mremap:25:216 msync:26:227 mincore:27:232 madvise:28:233 dup:32:23 dup2:33:- pause:34:-
nanosleep:35:101 getitimer:36:102 alarm:37:- setitimer:38:103 getpid:39:172 sendfile:40:71 connect:42:203
accept:43:202 sendto:44:206 recvfrom:45:207 sendmsg:46:211 recvmsg:47:212 shutdown:48:210 bind:49:200
listen:50:201 getsockname:51:204 getpeername:52:205 socketpair:53:199 setsockopt:54:208 getsockopt:55:209
fork:57:- vfork:58:- execve:59:221 exit:60:93 wait4:61:260 kill:62:129 uname:63:160 fcntl:72:25 flock:73:32
fsync:74:82 fdatasync:75:83 truncate:76:45 ftruncate:77:46 getdents:78:- getcwd:79:17 chdir:80:49
fchdir:81:50 rename:82:- mkdir:83:- rmdir:84:- creat:85:- link:86:- unlink:87:- symlink:88:- readlink:89:-
chmod:90:- fchmod:91:52 chown:92:- fchown:93:55 lchown:94:- umask:95:166 gettimeofday:96:169
getrlimit:97:163 getrusage:98:165 sysinfo:99:179 times:100:153 getuid:102:174 getgid:104:176 setuid:105:146
setgid:106:144 geteuid:107:175 getegid:108:177 setpgid:109:154 getppid:110:173 getpgrp:111:- setsid:112:157
setreuid:113:145 setregid:114:143 getgroups:115:158 setgroups:116:159 setresuid:117:147 getresuid:118:148
setresgid:119:149 getresgid:120:150 getpgid:121:155 setfsuid:122:151 setfsgid:123:152 getsid:124:156
capget:125:90 capset:126:91 rt_sigpending:127:136 rt_sigtimedwait:128:137 rt_sigqueueinfo:129:138
rt_sigsuspend:130:133 sigaltstack:131:132 utime:132:- mknod:133:- statfs:137:43 fstatfs:138:44
getpriority:140:141 sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 sched_rr_get_interval:148:127 mlock:149:228 munlock:150:229 mlockall:151:230
munlockall:152:231 prctl:157:167 arch_prctl:158:- setrlimit:160:164 sync:162:81 gettid:186:178
readahead:187:213 getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12
flistxattr:196:13 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16 tkill:200:130 time:201:-
futex:202:98 sched_getaffinity:204:123 epoll_create:213:- getdents64:217:61 set_tid_address:218:96
restart_syscall:219:128 fadvise64:221:223 timer_create:222:107 timer_settime:223:110 timer_gettime:224:108
timer_getoverrun:225:109 timer_delete:226:111 clock_gettime:228:113 clock_getres:229:114
clock_nanosleep:230:115 exit_group:231:94 epoll_wait:232:- epoll_ctl:233:21 tgkill:234:131 utimes:235:-
get_mempolicy:239:236 waitid:247:95 ioprio_get:252:31 openat:257:56 mkdirat:258:34 mknodat:259:33
fchownat:260:54 futimesat:261:- newfstatat:262:79 unlinkat:263:35 renameat:264:38 linkat:265:37
symlinkat:266:36 readlinkat:267:78 fchmodat:268:53 faccessat:269:48 pselect6:270:72 ppoll:271:73
set_robust_list:273:99 get_robust_list:274:100 splice:275:76 tee:276:77 sync_file_range:277:84
vmsplice:278:75 utimensat:280:88 epoll_pwait:281:22 signalfd:282:- timerfd_create:283:85 eventfd:284:-
fallocate:285:47 timerfd_settime:286:86 timerfd_gettime:287:87 accept4:288:242 signalfd4:289:74
eventfd2:290:19 epoll_create1:291:20 dup3:292:24 pipe2:293:59 preadv:295:69 pwritev:296:70
rt_tgsigqueueinfo:297:240 recvmmsg:299:243 syncfs:306:267 sendmmsg:307:269 getcpu:309:168
sched_getattr:315:275 renameat2:316:276 seccomp:317:277 getrandom:318:278 memfd_create:319:279
execveat:322:281 membarrier:324:283 mlock2:325:284 copy_file_range:326:285 preadv2:327:286 pwritev2:328:287
pkey_mprotect:329:288 pkey_alloc:330:289 pkey_free:331:290 statx:332:291 rseq:334:293
pidfd_send_signal:424:424 pidfd_open:434:434 close_range:436:436 openat2:437:437 faccessat2:439:439
epoll_pwait2:441:441 landlock_create_ruleset:444:444 landlock_add_rule:445:445 landlock_restrict_self:446:446 futex_waitv:449:449
""".split()  # noqa: SIM905
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


def seccomp_filter(machine: str | None = None) -> bytes:
    """Return the filter as an array of ``struct sock_filter``.

    Args:
        machine: kind of processor, as ``platform.machine`` names it; None: this one.

    Raises:
        InfrastructureError: no filter is known for the processor.
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        raise InfrastructureError(
            f"the sandbox has no system call filter for {machine} (only {', '.join(MACHINES)})"
        )
    arch, column = MACHINES[machine]
    code = [_step(LOAD, ARCH), _step(EQUAL, arch, 1, 0), _step(RETURN, KILL), _step(LOAD, NUMBER)]
    if machine == "x86_64":
        code += [_step(AT_LEAST, X32, 0, 1), _step(RETURN, KILL)]
    for x86, arm, argument, values, error in REFUSED_VALUES.values():
        looks = [
            step for value in values for step in (_step(EQUAL, value, 0, 1), _step(RETURN, ERROR | error))
        ]
        code += [_step(EQUAL, (x86, arm)[column], 0, len(looks) + 2), _step(LOAD, argument), *looks]
        code.append(_step(RETURN, ALLOW))
    for x86, arm, argument, bits, error in REFUSED_BITS.values():
        code += [_step(EQUAL, (x86, arm)[column], 0, 4), _step(LOAD, argument), _step(ANY_BIT, bits, 0, 1)]
        code += [_step(RETURN, ERROR | error), _step(RETURN, ALLOW)]
    for table, action in ((ENDS, KILL), (FAILS, ERROR | errno.EPERM)):
        for numbers in table.values():
            if numbers[column] is not None:
                code += [_step(EQUAL, numbers[column], 0, 1), _step(RETURN, action)]
    for *numbers, zeros in OWN.values():
        looks = [
            step
            for argument in (FIRST_ARGUMENT, SECOND_ARGUMENT)[:zeros]
            for step in (_step(LOAD, argument), _step(EQUAL, 0, 1, 0), _step(RETURN, ERROR | errno.EPERM))
        ]
        code += [_step(EQUAL, numbers[column], 0, len(looks) + 1), *looks, _step(RETURN, ALLOW)]
    # glibc falls back from clone3, whose flags a filter cannot see, to clone.
    code += [_step(EQUAL, CLONE3[column], 0, 1), _step(RETURN, ERROR | errno.ENOSYS)]
    code += [
        _step(EQUAL, CLONE[column], 0, 4),
        _step(LOAD, FIRST_ARGUMENT),
        _step(ANY_BIT, NEW_NAMESPACES, 0, 1),
        _step(RETURN, KILL),
        _step(RETURN, ALLOW),
    ]
    code += [_step(EQUAL, SOCKET[column], 0, len(FAMILIES) + 3), _step(LOAD, FIRST_ARGUMENT)]
    for place, family in enumerate(FAMILIES):
        code.append(_step(EQUAL, family, len(FAMILIES) - place, 0))
    code += [_step(RETURN, ERROR | errno.EAFNOSUPPORT), _step(RETURN, ALLOW)]
    for first, last in allowed_ranges(column):
        code += [_step(AT_LEAST, first, 0, 2), _step(MORE_THAN, last, 1, 0), _step(RETURN, ALLOW)]
    code.append(_step(RETURN, ERROR | errno.ENOSYS))
    return b"".join(code)


def allowed_ranges(column: int) -> list[tuple[int, int]]:
    """Return the first and last of each run of successive numbers of allowed calls.

    Args:
        column: 0 for x86-64, 1 for aarch64.
    """
    words = (entry.split(":")[1 + column] for entry in ALLOWED)
    ranges: list[tuple[int, int]] = []
    for number in sorted(int(word) for word in words if word != "-"):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ranges


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", operation, if_true, if_false, value)
