import { IDENTITY } from "./identity.ts";
import type { Mutant } from "./mutant.ts";
import { ORDERS } from "./orders.ts";
import { SHOP } from "./shop.ts";

/** The lines that matter most, each with the specs that must notice when it is broken. */
export const MUTANTS: readonly Mutant[] = [...ORDERS, ...SHOP, ...IDENTITY];
