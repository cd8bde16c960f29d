/** Objects whose fields may be absent. */

/** The fields of an object that may be `undefined`, as fields that may be absent. */
export type Given<A> =
  & { readonly [K in keyof A as undefined extends A[K] ? never : K]: A[K] }
  & { readonly [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined> }

/**
 * An object without those of its fields that are `undefined`.
 *
 * **Example**
 *
 * ```ts
 * given({ id: "web", cgroup: undefined }) // { id: "web" }
 * ```
 */
export const given = <A extends object>(fields: A): Given<A> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<A>
