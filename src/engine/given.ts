/** Objects whose fields may be absent. */

/** An object type whose fields that may be `undefined` are optional. */
export type Given<A> =
  & { readonly [K in keyof A as undefined extends A[K] ? never : K]: A[K] }
  & { readonly [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined> }

/**
 * Leaves out the fields that are `undefined`.
 *
 * **Example**
 *
 * ```ts
 * given({ id: "web", cgroup: undefined }) // { id: "web" }
 * ```
 */
export const given = <A extends object>(fields: A): Given<A> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<A>
