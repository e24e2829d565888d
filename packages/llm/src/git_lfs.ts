/** Whether a file is a pointer that Git LFS left because the content was not downloaded. */
export function isGitLfsPointer(beginning: string): boolean {
  return beginning.startsWith('version https://git-lfs.github.com/');
}

/** Describes such a file in an error message. */
export const GIT_LFS_HINT = 'a Git LFS pointer; run "git lfs pull" in the folder';
