"""Runs a program on a new terminal of 40 rows and 100 columns, and tells what came of it as JSON.

usage: terminal.py TALK PROGRAM ARGUMENT...

TALK is a JSON list of exchanges: {"after": TEXT, "say": TEXT} types when the output holds the text; "resize": [ROWS,
COLUMNS] changes the size instead.
"""
import fcntl, json, os, pty, select, struct, sys, termios, time

def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

talk = json.loads(sys.argv[1])
master, slave = pty.openpty()
resize(master, 40, 100)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.close(master)
    os.login_tty(slave) if hasattr(os, "login_tty") else (
        os.setsid(), fcntl.ioctl(slave, termios.TIOCSCTTY, 0), [os.dup2(slave, fd) for fd in (0, 1, 2)])
    os.execv(sys.argv[2], sys.argv[2:])

output = b""
seen = 0
deadline = time.monotonic() + 60
ended = None
while time.monotonic() < deadline:
    if select.select([master], [], [], 0.05)[0]:
        output += os.read(master, 65536)
    while talk and talk[0]["after"].encode() in output[seen:]:
        step = talk.pop(0)
        seen = output.index(step["after"].encode(), seen) + len(step["after"])
        if "resize" in step:
            resize(master, *step["resize"])
        else:
            os.write(master, step["say"].encode())
    if ended is None:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            ended = os.waitstatus_to_exitcode(status)
    elif not select.select([master], [], [], 0.05)[0]:
        break
if ended is None:
    os.kill(pid, 9)
print(json.dumps({"output": output.decode(errors="replace"), "code": ended, "restored": before == termios.tcgetattr(slave)}))
