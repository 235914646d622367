import type { ServiceBroker } from "moleculer";
import type { AppBroker } from "./typed.ts";

/**
 * What nodes tell each other at once, without a promise that it arrives: whoever must not miss it asks as well.
 * Facts travel through the outbox. Services merge theirs into it, as they do into `ActionContracts`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: services merge their hints into it
export interface HintContracts {}

export type HintName = keyof HintContracts & string;

/** Tells every node, this one included. Never throws: a hint that is lost is no failure. */
export function broadcastHint<K extends HintName>(broker: AppBroker, name: K, payload: HintContracts[K]): void {
	const raw = broker as unknown as Pick<ServiceBroker, "broadcast" | "logger">;
	raw.broadcast(name, payload).catch((error: unknown) => raw.logger.debug(`The hint ${name} was not sent`, error));
}
