type Variables = Readonly<Record<string, string | undefined>>;

/** Empty in a browser; the entry `./node` sets the process's variables. */
let variables: Variables = {};

/** Sets the variables from which flags take their initial values. */
export function setEnvironment(environment: Variables): void {
  variables = environment;
}

/** The value of an environment variable. */
export const environmentVariable = (name: string): string | undefined => variables[name];
