type Variables = Readonly<Record<string, string | undefined>>;

/** None in a browser; the entry `./node` sets those of the process. */
let variables: Variables = {};

/** Sets where flags get their initial values from. */
export function setEnvironment(environment: Variables): void {
  variables = environment;
}

/** An environment variable. */
export const environmentVariable = (name: string): string | undefined => variables[name];
