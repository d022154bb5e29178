/** Keys and values a user, or imgkit, attached to a resource. */
export type Labels = Readonly<Record<string, string>>;

/**
 * The labels that imgkit puts on everything it creates, by exact key: clean-up never goes by the
 * prefix of a name.
 */
export const ownershipLabels = {
  /** The id of the run that made the resource. */
  run: 'imgkit-run',
  /** The installation of imgkit that made it, so that two in one account never touch each other's. */
  owner: 'imgkit-owner',
  /** When nobody can need it any more, in seconds since 1970. */
  expires: 'imgkit-expires',
  /** The step of the run that made it. */
  step: 'imgkit-step',
} as const;

/** The label with the digest of all that went into a baked image. */
export const bakeKeyLabel = 'imgkit-bake-key';
