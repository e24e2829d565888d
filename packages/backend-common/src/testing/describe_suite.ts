/** Declares a suite on a backend, which is then the active one; leaves it out where the backend cannot be had. */
export type DescribeSuite = (title: string, body: () => void) => void;
