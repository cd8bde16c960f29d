/**
 * The steps of the root file system on the real kernel, looked at from outside.
 *
 * The parts are in one process, which they share with their set-up.
 */
import "./rootfs/binds.ts"
import "./rootfs/hostile.ts"
import "./rootfs/userNamespaces.ts"
import "./rootfs/usual.ts"
