/**
 * The registry of every action and event in the cluster. Each `services/<name>/<name>.contract.ts` adds its own by
 * declaration merging, so that a new service needs no edit here:
 *
 *     declare module "../../lib/contracts.ts" {
 *       interface ActionContracts extends OrdersActions {}
 *     }
 */

/** What one action takes (`void` for nothing) and gives. */
export interface Action<Params, Result> {
	params: Params;
	result: Result;
}

// biome-ignore lint/suspicious/noEmptyInterface: services merge their actions into it
export interface ActionContracts {}

// biome-ignore lint/suspicious/noEmptyInterface: services merge their events into it
export interface EventContracts {}

/** A keyset page: `nextCursor` is opaque and null on the last page; `total` only when it was asked for. */
export interface Page<T> {
	items: T[];
	nextCursor: string | null;
	total?: number;
}

/** Query parameters every list takes. */
export interface ListParams {
	limit?: number;
	cursor?: string;
	sort?: string;
	count?: boolean;
}
