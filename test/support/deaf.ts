/**
 * Programs that are no longer told of the death of their parent, and say so: of the host's files, by
 * prctl(PR_SET_PDEATHSIG); of a root with busybox, by a change of their ids.
 */
export const deaf: ReadonlyArray<string> = [
  "python3",
  "-c",
  "import ctypes, time; print('deaf', ctypes.CDLL(None).prctl(1, 0), flush=True); time.sleep(1000)"
]

/** It takes CAP_SETUID and CAP_SETGID. */
export const deafInRoot: ReadonlyArray<string> = ["/bin/busybox", "su", "bob", "-c", "echo deaf; exec sleep 1000"]
