/** Whether a file begins like the pointers that Git LFS leaves where the content was not downloaded. */
export function isGitLfsPointer(beginning: string): boolean {
  return beginning.startsWith('version https://git-lfs.github.com/');
}

/** What an error message says of such a file. */
export const GIT_LFS_HINT = 'a Git LFS pointer; run "git lfs pull" in the folder';
