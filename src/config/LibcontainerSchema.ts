/**
 * What libcontainer's configuration is made of, as libcontainer wrote it.
 *
 * All is made when it is first asked for: most documents are the OCI's, and a command reads one document.
 */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as capabilities from "./capabilities.ts"
import { id, int64, limit64, may, oneOf, texts, uint32, uint64, whole } from "./fields.ts"

/** Makes something once, when it is first asked for. */
const once = <A>(make: () => A): () => A => {
  let made: A | undefined
  return () => made ??= make()
}

/** Go's `int`, as far as a double holds it. */
const int = once(() => whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER))

const deviceType = () => Schema.Literals([99, 98, 112]).annotate({ expected: "must be 99 (c), 98 (b) or 112 (p)" })

const mountSchema = once(() =>
  Schema.Struct({
    source: may(Schema.String),
    destination: Schema.String,
    device: may(Schema.String),
    flags: may(whole(0, 2 ** 31 - 1)),
    data: may(Schema.String),
    relabel: may(Schema.String)
  })
)

const deviceSchema = once(() =>
  Schema.Struct({
    type: deviceType(),
    path: may(Schema.String),
    major: may(int()),
    minor: may(int()),
    permissions: may(Schema.String),
    file_mode: may(uint32),
    uid: may(id),
    gid: may(id)
  })
)

const networkFields = once(() => ({
  type: Schema.String,
  name: may(Schema.String),
  bridge: may(Schema.String),
  mac_address: may(Schema.String),
  address: may(Schema.String),
  gateway: may(Schema.String),
  ipv6_address: may(Schema.String),
  ipv6_gateway: may(Schema.String),
  mtu: may(int()),
  txqueuelen: may(int()),
  host_interface_name: may(Schema.String)
}))

const networkSchema = once(() => Schema.Struct({ ...networkFields(), temp_veth_peer_name: may(Schema.String) }))
const idMappings = once(() => Schema.Array(Schema.Struct({ container_id: uint32, host_id: uint32, size: uint32 })))

const cgroupSchema = once(() =>
  Schema.Struct({
    name: may(Schema.String),
    parent: may(Schema.String),
    allow_all_devices: may(Schema.Boolean),
    allowed_devices: may(Schema.Array(deviceSchema())),
    memory: may(limit64),
    memory_reservation: may(limit64),
    memory_swap: may(limit64),
    cpu_shares: may(int64),
    cpu_quota: may(int64),
    cpu_period: may(int64),
    cpuset_cpus: may(Schema.String),
    cpuset_mems: may(Schema.String),
    blkio_weight: may(whole(0, 0xffff)),
    freezer: may(oneOf("", "FROZEN", "THAWED")),
    slice: may(Schema.String)
  })
)

const configFields = once(() => ({
  no_pivot_root: may(Schema.Boolean),
  parent_death_signal: may(int()),
  pivot_dir: may(Schema.String),
  rootfs: Schema.String,
  readonlyfs: may(Schema.Boolean),
  mounts: may(Schema.Array(mountSchema())),
  devices: may(Schema.Array(deviceSchema())),
  mount_label: may(Schema.String),
  hostname: may(Schema.String),
  console: may(Schema.String),
  namespaces: may(Schema.Array(Schema.Struct({
    type: oneOf("NEWNET", "NEWPID", "NEWNS", "NEWUTS", "NEWIPC", "NEWUSER", "NEWCGROUP", "NEWTIME"),
    path: may(Schema.String)
  }))),
  capabilities: may(Schema.Array(
    Schema.Literals(capabilities.names).annotate({
      expected: "must be a capability without `CAP_`: CHOWN to CHECKPOINT_RESTORE"
    })
  )),
  networks: may(Schema.Array(networkSchema())),
  routes: may(Schema.Array(Schema.Struct({
    destination: may(Schema.String),
    source: may(Schema.String),
    gateway: may(Schema.String),
    interface_name: may(Schema.String)
  }))),
  cgroups: may(cgroupSchema()),
  apparmor_profile: may(Schema.String),
  process_label: may(Schema.String),
  rlimits: may(Schema.Array(Schema.Struct({ type: whole(0, 15), hard: uint64, soft: uint64 }))),
  additional_groups: may(Schema.Array(id)),
  uid_mappings: may(idMappings()),
  gid_mappings: may(idMappings()),
  mask_paths: may(texts),
  readonly_paths: may(texts)
}))

const processFields = once(() => ({
  args: texts,
  env: may(texts),
  cwd: may(Schema.String),
  user: may(Schema.String),
  network: may(Schema.Array(networkSchema()))
}))

/** Whether a field is one of the process, which lie beside those of a bare `Config`. */
export const isOfProcess = (name: string): boolean => Object.hasOwn(processFields(), name)

const configSchema = once(() => Schema.Struct(configFields()))

/**
 * The schema of an initConfig.
 *
 * @category decoding
 * @since 0.3.0
 */
export const initConfig = once(() => Schema.Struct({ ...processFields(), config: configSchema() }))

/**
 * The same with every field optional: what is left of a document whose broken fields were taken out.
 *
 * @category decoding
 * @since 0.3.0
 */
export const partial = once(() =>
  Schema.Struct({
    ...Schema.Struct(processFields()).mapFields(Struct.map(Schema.optionalKey)).fields,
    config: may(configSchema().mapFields(Struct.map(Schema.optionalKey)))
  })
)

/**
 * The schema of a bare `Config` with the fields of the process alongside it.
 *
 * @category decoding
 * @since 0.3.0
 */
export const bareConfig = once(() => Schema.Struct({ ...processFields(), ...configFields() }))

/** An initConfig that was read, or what could be read of it. */
export type InitConfig = ReturnType<typeof partial>["Type"]
