import { IDENTITY } from "./identity.ts";
import { CLAIMS_AND_KEYS } from "./keys.ts";
import type { Mutant } from "./mutant.ts";
import { ORDERS } from "./orders.ts";
import { SHOP } from "./shop.ts";

/** The lines that matter most, each with the specs that must notice when it is broken. */
export const MUTANTS: readonly Mutant[] = [...ORDERS, ...SHOP, ...CLAIMS_AND_KEYS, ...IDENTITY];
