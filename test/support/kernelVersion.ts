/** What the kernel of this host has, by its version. */
import { release } from "node:os"

const [major = 0, minor = 0] = release().split(".").map(Number)

/** Whether a socket can be told to take no descriptors (`SO_PASSRIGHTS`, Linux 6.16). */
export const hasPassRights = major > 6 || major === 6 && minor >= 16
