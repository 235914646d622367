import type { Socket } from "node:net";
import { networkOf } from "../../../lib/network.ts";

/** Above so many times the bound even busy connections are refused. */
const HARD_FACTOR = 4;

/**
 * How many connections one client holds. Above the bound its connection that has waited longest for a request is
 * closed: a client that works keeps what it works with, and one that only holds sockets holds few.
 */
export class Connections {
	readonly #bound: number;
	readonly #isExempt: (address: string) => boolean;
	readonly #open = new Map<string, Set<Socket>>();
	/** In the order in which they became idle. */
	readonly #idle = new Map<string, Set<Socket>>();

	/** Requests under way: a client may send the next one before it has its answer. */
	readonly #busy = new WeakMap<Socket, number>();

	/**
	 * @param bound connections of one address (of one /64); 0 means no bound
	 * @param isExempt for proxies, behind which many clients stand
	 */
	constructor(bound: number, isExempt: (address: string) => boolean) {
		this.#bound = bound;
		this.#isExempt = isExempt;
	}

	opened(socket: Socket): void {
		const address = socket.remoteAddress;
		if (this.#bound === 0 || address === undefined || this.#isExempt(address)) return;
		const client = networkOf(address);
		const open = setOf(this.#open, client);
		const idle = setOf(this.#idle, client);
		if (open.size >= this.#bound) {
			const [oldest] = idle;
			if (oldest) oldest.destroy();
			else if (open.size >= this.#bound * HARD_FACTOR) {
				socket.destroy();
				return;
			}
			if (oldest) forget(this.#open, this.#idle, client, oldest);
		}
		setOf(this.#open, client).add(socket);
		setOf(this.#idle, client).add(socket);
		socket.once("close", () => forget(this.#open, this.#idle, client, socket));
	}

	/** A request came in; `done` when its answer is out. */
	busy(socket: Socket): { done(): void } {
		const client = networkOf(socket.remoteAddress ?? "");
		this.#idle.get(client)?.delete(socket);
		this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
		return {
			done: () => {
				const left = (this.#busy.get(socket) ?? 1) - 1;
				this.#busy.set(socket, left);
				if (left === 0 && this.#open.get(client)?.has(socket)) setOf(this.#idle, client).add(socket);
			},
		};
	}

	/** Of one address, for tests and operators. */
	count(address: string): number {
		return this.#open.get(networkOf(address))?.size ?? 0;
	}
}

function setOf(map: Map<string, Set<Socket>>, client: string): Set<Socket> {
	const known = map.get(client);
	if (known) return known;
	const created = new Set<Socket>();
	map.set(client, created);
	return created;
}

function forget(open: Map<string, Set<Socket>>, idle: Map<string, Set<Socket>>, client: string, socket: Socket): void {
	for (const map of [open, idle]) {
		const sockets = map.get(client);
		sockets?.delete(socket);
		if (sockets?.size === 0) map.delete(client);
	}
}
