/**
 * Filters and the exec trampoline on the kernel that this runs on.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./filters/devices.ts"
import "./filters/seccomp.ts"
import "./filters/trampoline.ts"
