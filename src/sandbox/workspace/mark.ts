/** How a placeholder is known: an empty file or directory with a mode that no other one has. */
import { S } from "../../native/constants.ts"

/** The modes of placeholders. */
export const modes = { file: 0o1400, directory: 0o1500 } as const

/** Whether something may be a placeholder. For a directory, only its removal shows whether it is empty. */
export const isPlaceholder = ({ mode, size }: { readonly mode: number; readonly size: bigint | number }): boolean => {
  const bits = mode & 0o7777
  return (mode & S.IFMT) === S.IFDIR
    ? bits === modes.directory
    : (mode & S.IFMT) === S.IFREG && bits === modes.file && Number(size) === 0
}
