/**
 * Parameters below `/proc/sys/net` that a new network namespace does not have, or has as read-only files: they belong to the
 * machine, and only the first network namespace shows them all. These are the ones of Linux 6.18.
 *
 * @see net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c, net/ipv4/route.c, net/netfilter/nf_conntrack_standalone.c
 */
const below = (directory: string, names: string): ReadonlyArray<string> =>
  names.split(" ").map((name) => `net/${directory}${name}`)

const ofFirstOnly: ReadonlySet<string> = new Set([
  ...below(
    "core/",
    "bpf_jit_enable bpf_jit_harden bpf_jit_kallsyms bpf_jit_limit busy_poll busy_read default_qdisc dev_weight " +
      "dev_weight_rx_bias dev_weight_tx_bias devconf_inherit_init_net fb_tunnels_only_for_init_net flow_limit_cpu_bitmap " +
      "flow_limit_table_len gro_normal_batch high_order_alloc_disable max_skb_frags mem_pcpu_rsv message_burst message_cost " +
      "netdev_budget netdev_budget_usecs netdev_max_backlog netdev_rss_key netdev_tstamp_prequeue " +
      "netdev_unregister_timeout_secs rps_sock_flow_entries skb_defer_max warnings"
  ),
  ...below(
    "ipv4/",
    "cipso_cache_bucket_size cipso_cache_enable cipso_rbm_optfmt cipso_rbm_strictvalid fib_sync_mem inet_peer_maxttl " +
      "inet_peer_minttl inet_peer_threshold ipfrag_secret_interval tcp_available_ulp tcp_low_latency tcp_max_orphans tcp_mem " +
      "udp_mem"
  ),
  ...below(
    "ipv4/route/",
    "error_burst error_cost gc_elasticity gc_interval gc_min_interval gc_min_interval_ms gc_thresh gc_timeout max_size " +
      "redirect_load redirect_number redirect_silence"
  ),
  ...below(
    "ipv6/",
    "calipso_cache_bucket_size calipso_cache_enable ip6frag_secret_interval mld_max_msf mld_qrv"
  ),
  ...below("netfilter/", "nf_log_all_netns"),
  ...below("", "nf_conntrack_max")
])

/** The directories of what all neighbours have in common. */
const neighbours = /^net\/ipv[46]\/neigh\/default(?:\/|$)/

const readonlyElsewhere: ReadonlySet<string> = new Set([
  ...below("core/", "rmem_default rmem_max wmem_default wmem_max"),
  ...below("ipv4/", "tcp_allowed_congestion_control"),
  ...below("netfilter/", "nf_conntrack_buckets nf_conntrack_expect_max nf_conntrack_max")
])

/** How a parameter is in any network namespace but the first; `undefined` if each has its own. */
export const elsewhere = (path: string): "absent" | "readonly" | undefined =>
  ofFirstOnly.has(path) || neighbours.test(path) ? "absent" : readonlyElsewhere.has(path) ? "readonly" : undefined
