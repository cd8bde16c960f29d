/** How `config.json` calls the parts of a container. */
import type { Names } from "./rules/Rule.ts"

/** How `config.json` calls the parts of a container. */
export const names: Names = {
  sections: {
    rootfs: "root.path",
    readonlyRootfs: "root.readonly",
    rootPropagation: "linux.rootfsPropagation",
    namespaces: "linux.namespaces",
    uidMappings: "linux.uidMappings",
    gidMappings: "linux.gidMappings",
    timeOffsets: "linux.timeOffsets",
    devices: "linux.devices",
    cgroup: "linux.resources",
    "cgroup.path": "linux.cgroupsPath",
    sysctl: "linux.sysctl",
    maskedPaths: "linux.maskedPaths",
    readonlyPaths: "linux.readonlyPaths",
    seccomp: "linux.seccomp",
    mountLabel: "linux.mountLabel",
    personality: "linux.personality",
    memoryPolicy: "linux.memoryPolicy",
    "process.umask": "process.user.umask",
    "process.cpuAffinity": "process.execCPUAffinity"
  },
  fields: {
    containerId: "containerID",
    hostId: "hostID",
    rows: "height",
    columns: "width",
    nanoseconds: "nanosecs"
  },
  offsets: {}
}
