/**
 * Never part of a name: controls, everything that is drawn as nothing, separators, private use, halves of characters
 * (Unicode TR36 and TR39).
 */
export const HIDDEN_IN_NAME: RegExp = /[\p{Cc}\p{Cf}\p{DI}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{NChar}]/u
