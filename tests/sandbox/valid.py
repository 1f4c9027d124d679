"""Programs that an ordinary user would expect to pass: what docs/explanation/sandbox.md says that programs may rely on."""

VALID = {
    "pool_by_every_method": """
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

def f(x):
    return x * x

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with mp.get_context(method).Pool(2) as p:
            assert p.map(f, range(5)) == [0, 1, 4, 9, 16]
    with ProcessPoolExecutor(2) as executor:
        assert list(executor.map(f, [1, 2])) == [1, 4]
""",
    "shell_and_commands": """
import subprocess, sys
assert subprocess.run("echo hi", shell=True, capture_output=True, text=True).stdout == "hi\\n"
assert subprocess.getoutput("printf 'b\\\\na\\\\n' | sort") == "a\\nb"
assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout == b"1\\n"
""",
    "own_modules": """
import importlib, os, pathlib
pathlib.Path("helper_mod.py").write_text("def f(): return 5\\n")
os.makedirs("package")
pathlib.Path("package/__init__.py").write_text("x = 6\\n")
import helper_mod, package
assert (helper_mod.f(), package.x) == (5, 6)
""",
    "source_of_its_own": """
import inspect
def f(a, *, b: int = 2) -> int:
    # comment
    return a + b
assert "# comment" in inspect.getsource(f) and str(inspect.signature(f)) == "(a, *, b: int = 2) -> int"
class K:
    def m(self):
        return inspect.currentframe().f_code.co_name
assert K().m() == "m" and "def m" in inspect.getsource(K)
""",
    "file_of_its_own": """
import os, runpy, sys
assert os.path.isdir(os.path.dirname(os.path.abspath(__file__)))
assert "os.path" in open(__file__).read()
assert os.path.samefile(__file__, sys.argv[0])
""",
    "names_of_hosts": """
import socket, threading
s = socket.socket(); s.bind(("localhost", 0)); s.listen(1)
def f():
    c, _ = s.accept(); c.sendall(c.recv(10)[::-1]); c.close()
t = threading.Thread(target=f); t.start()
c = socket.create_connection(("localhost", s.getsockname()[1])); c.sendall(b"abc")
assert c.recv(10) == b"cba"
t.join()
assert socket.gethostbyname(socket.gethostname()) == "127.0.0.1"
""",
    "name_and_home_of_the_user": """
import getpass, os, pathlib
assert getpass.getuser()
(pathlib.Path.home() / "x").write_text("x")
""",
    "files": """
import os, shutil, sqlite3, tempfile, mmap, fcntl
os.mkdir("a"); os.mkdir("b"); open("a/x", "w").write("1")
os.rename("a/x", "b/y"); os.link("b/y", "a/z"); os.symlink("z", "a/s")
shutil.copytree("a", "c"); shutil.copy2("b/y", "d"); shutil.rmtree("c")
connection = sqlite3.connect("x.db"); connection.execute("create table a(b)"); connection.commit(); connection.close()
with tempfile.TemporaryFile() as f:
    fcntl.flock(f, fcntl.LOCK_EX); f.write(b"x" * 4096); f.flush()
    assert mmap.mmap(f.fileno(), 4096)[:1] == b"x"
open("/dev/null", "w").write("x")
""",
    "asynchronous": """
import asyncio, sys
async def serve(reader, writer):
    writer.write(await reader.read(3)); await writer.drain(); writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"abc")
    assert await reader.read(3) == b"abc"
    writer.close(); server.close()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=-1)
    assert (await process.communicate())[0] == b"1\\n"
    assert await asyncio.to_thread(sum, [1, 2]) == 3
asyncio.run(main())
""",
    "signals": """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT); time.sleep(1)
except KeyboardInterrupt:
    pass
else:
    raise AssertionError
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
assert seen == [1]
""",
    "terminal": """
import os
m, s = os.openpty()
os.write(m, b"x\\n")
assert os.read(s, 10) == b"x\\n"
""",
    "shared_memory": """
from multiprocessing import Lock, Queue, shared_memory
s = shared_memory.SharedMemory(create=True, size=1000); s.buf[0] = 7; s.close(); s.unlink()
q = Queue(); q.put(3); assert q.get() == 3
with Lock(): pass
""",
    "resources": """
import os, platform, resource, time, threading, ctypes, select
resource.setrlimit(resource.RLIMIT_STACK, resource.getrlimit(resource.RLIMIT_STACK))
assert os.cpu_count() and platform.system() == "Linux" and len(os.sched_getaffinity(0)) and os.getloadavg()
assert select.epoll().poll(0) == [] and len(os.urandom(8)) == 8 and ctypes.CDLL(None).getpid() == os.getpid()
os.nice(1); time.sleep(0.001); time.perf_counter(); threading.Timer(0.01, print).start()
""",
}
