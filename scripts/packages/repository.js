/**
 * The fields of a package.json that tell where its source is, for the packages of a release. The repository's own
 * package.json files lack them, because the place is only known at the release.
 *
 * @param folder The package's folder in the repository, or its root by default.
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
