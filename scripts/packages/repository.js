/**
 * The fields of a package.json that say where its source is, for the packages of a release. The repository's own
 * package.json files have none: where it is published is known only then.
 *
 * @param folder Folder of the package in the repository; its root if left out.
 */
export function repositoryFields(folder) {
  const url = process.env.ATTENTION_REPOSITORY;
  if (!url) return {};
  if (!/^https:\/\/[^/]+\/[^/]+\/[^/]+$/.test(url)) {
    throw new Error(`ATTENTION_REPOSITORY: expected https://HOST/OWNER/NAME, received ${url}`);
  }
  return {
    homepage: `${url}#readme`,
    bugs: { url: `${url}/issues` },
    repository: { type: 'git', url: `git+${url}.git`, ...(folder ? { directory: folder } : {}) },
  };
}
