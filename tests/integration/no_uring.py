"""Without io_uring: see no_uring.sh."""
import ctypes
import errno
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import driving  # noqa: E402

check = driving.Checks("no_uring")

IO_URING_SETUP, IO_URING_REGISTER = 425, 427  # the same on every architecture
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
BPF_LOAD_NUMBER, BPF_JUMP_GE, BPF_JUMP_GT, BPF_RETURN = 0x20, 0x35, 0x25, 0x06


def refuse_io_uring(error):
    """For the child: io_uring_setup, _enter and _register fail with `error`."""
    def instruction(code, jump_true, jump_false, value):
        return struct.pack("HBBI", code, jump_true, jump_false, value)
    program = b"".join([
        instruction(BPF_LOAD_NUMBER, 0, 0, 0),
        instruction(BPF_JUMP_GE, 0, 2, IO_URING_SETUP),
        instruction(BPF_JUMP_GT, 1, 0, IO_URING_REGISTER),
        instruction(BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | error),
        instruction(BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ])
    code = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
            os._exit(97)
    return install


def run_without(error, *arguments, text=b""):
    return subprocess.run([driving.PINSWEEP, *arguments], input=text, capture_output=True, check=False,
                          timeout=driving.HANG_SECONDS, preexec_fn=refuse_io_uring(error))


def refused(name, error, *words):
    server = driving.Server(driving.read_to_end)
    target = f"127.0.0.1:{server.port}"
    with driving.folder() as place:
        out = os.path.join(place, "out")
        for arguments in (["sweep"], ["sweep", "-o", out], ["inspect", target]):
            result = run_without(error, *arguments, text=(target + "\n").encode())
            said = result.stderr.decode()
            check.same(f"{name}: exit code of {arguments[0]}", result.returncode, 4, said)
            check(f"{name}: the cause", all(word in said for word in words), words, said)
            check.same(f"{name}: no records", result.stdout, b"")
        check(f"{name}: no empty output file is left", not os.path.exists(out))
    check.same(f"{name}: nothing was connected to", server.accepted, 0)
    server.close()
    result = run_without(error, "sweep", "--dry-run", text=b"127.0.0.1\n")
    check.same(f"{name}: --dry-run needs none", result.returncode, 0, result.stderr)


def main():
    # The filter itself, so that a broken one does not pass for a program that copes.
    probe = "import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall(425, 8, None); print(ctypes.get_errno())"
    for error in errno.EPERM, errno.ENOSYS:
        seen = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False, text=True,
                              preexec_fn=refuse_io_uring(error)).stdout
        check.same("the filter answers", seen.strip(), str(error))
    check.part(refused, "EPERM", errno.EPERM, "io_uring", "seccomp")
    check.part(refused, "ENOSYS", errno.ENOSYS, "io_uring", "kernel", os.uname().release, "6.1")
    check.finish()


main()
