/** How a document of libcontainer calls the parts of a container, and which of its keys have no effect any more. */
import type { Problem } from "./ConfigError.ts"
import type { Names } from "./rules/Rule.ts"
import type { Section } from "./rules/Rule.ts"

/** How an initConfig calls the parts of a container that has this many mounts of its own in front. */
export const names = (baseMounts: number): Names => ({
  sections: {
    rootfs: "config.rootfs",
    readonlyRootfs: "config.readonlyfs",
    parentDeathSignal: "config.parent_death_signal",
    mounts: "config.mounts",
    devices: "config.devices",
    mountLabel: "config.mount_label",
    hostname: "config.hostname",
    namespaces: "config.namespaces",
    networks: "config.networks",
    routes: "config.routes",
    cgroup: "config.cgroups",
    "cgroup.path": "config.cgroups.parent",
    uidMappings: "config.uid_mappings",
    gidMappings: "config.gid_mappings",
    maskedPaths: "config.mask_paths",
    readonlyPaths: "config.readonly_paths",
    "process.args": "args",
    "process.env": "env",
    "process.cwd": "cwd",
    "process.user": "user",
    "process.capabilities": "config.capabilities",
    "process.rlimits": "config.rlimits",
    "process.apparmorProfile": "config.apparmor_profile",
    "process.selinuxLabel": "config.process_label"
  },
  fields: {
    containerId: "container_id",
    hostId: "host_id",
    fileMode: "file_mode",
    "mounts.type": "device",
    options: "data",
    strategy: "type",
    macAddress: "mac_address",
    ipv6Address: "ipv6_address",
    ipv6Gateway: "ipv6_gateway",
    txQueueLength: "txqueuelen",
    hostInterfaceName: "host_interface_name",
    temporaryPeerName: "temp_veth_peer_name",
    interfaceName: "interface_name"
  },
  offsets: { mounts: baseMounts } satisfies { readonly [S in Section]?: number }
})

const obsolete = /^config\.(restrict_sys|environment|tty|user)$|^config\.mounts\[\d+\]\.type$|\.veth_prefix$/

/** Whether an unknown key is one that older samples have. */
export const isObsolete = ({ path }: Problem): boolean => obsolete.test(path)
