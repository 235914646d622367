import type { Corruption } from "./corruption.ts";
import { GOODS } from "./goods.ts";
import { MAILS } from "./mails.ts";
import { MONEY } from "./money.ts";
import { ORDERS } from "./orders.ts";

export type { At, Record_ } from "./corruption.ts";

/** What can be wrong with a shop, each done as somebody would who hopes that nobody looks there. */
export const CORRUPTIONS: readonly Corruption[] = [...MONEY, ...GOODS, ...ORDERS, ...MAILS];
