/**
 * What to do about a working directory that can't be entered. Two steps try to enter it, each as another user.
 *
 * @category init
 * @since 0.1.0
 */

/** What to do about a working directory that can't be entered. */
export const directoryAdvice = {
  ENOENT: "create the directory in the root file system, or set process.cwd to one that is there",
  ENOTDIR: "process.cwd must be a directory",
  EACCES: "the program's user needs search permission on process.cwd and on every directory above it",
  ELOOP: "process.cwd has a loop of symbolic links, or too many of them"
} as const
