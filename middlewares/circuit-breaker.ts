import type { ServiceBroker } from "moleculer";
import { Breaker } from "../lib/breaker.ts";
import type { Middleware } from "./middleware.ts";

const SETTINGS = { threshold: 5, restMs: 5_000 };

interface Endpoint {
	name: string;
	local: boolean;
	state: boolean;
	node: { available: boolean };
	action: { name: string };
}
interface WithActions {
	registry: { actions: { get(action: string): { endpoints: Endpoint[] } | null } };
}

/**
 * Passes over an action's endpoint on another node that does not answer, as long as there is another one. Moleculer's
 * own breaker counts answers it does not like, so any client could open it; this one counts silence, and never takes the
 * last endpoint away: to try it is better than to refuse. Sits within the time-out, so every outcome it sees is an
 * answer, and silence is what its own clock tells.
 */
export function createCircuitBreaker(settings = SETTINGS): Middleware {
	const breakers = new Map<Endpoint, Breaker>();
	const timers = new Set<NodeJS.Timeout>();
	let broker: WithActions | undefined;

	const others = (endpoint: Endpoint): Endpoint[] =>
		(broker?.registry.actions.get(endpoint.action.name)?.endpoints ?? []).filter(
			other => other !== endpoint && other.state && other.node.available,
		);
	const close = (endpoint: Endpoint) => {
		endpoint.state = true;
		breakers.delete(endpoint);
	};
	const later = (ms: number, work: () => void): NodeJS.Timeout => {
		const timer = setTimeout(() => {
			timers.delete(timer);
			work();
		}, ms).unref();
		timers.add(timer);
		return timer;
	};
	const unanswered = (endpoint: Endpoint) => {
		const breaker = breakers.get(endpoint) ?? new Breaker(settings);
		breakers.set(endpoint, breaker);
		breaker.unanswered();
		if (breaker.state !== "open" || others(endpoint).length === 0) return;
		endpoint.state = false;
		later(settings.restMs, () => {
			endpoint.state = true;
		});
	};
	/** Whoever was passed over because of another that has gone since is the last one now. */
	const review = () => {
		for (const endpoint of breakers.keys()) if (!endpoint.state && others(endpoint).length === 0) endpoint.state = true;
	};
	/** While one call tries a silent endpoint the others go elsewhere. */
	const tryOnce = (endpoint: Endpoint) => {
		const breaker = breakers.get(endpoint);
		if (breaker?.state !== "trying" || !breaker.mayPass() || others(endpoint).length === 0) return;
		endpoint.state = false;
		later(settings.restMs, () => {
			endpoint.state = true;
		});
	};

	return {
		name: "CircuitBreaker",
		created(created: ServiceBroker) {
			broker = created as unknown as WithActions;
			created.localBus.on("$node.disconnected", ({ node }: { node: { id: string } }) => {
				for (const endpoint of breakers.keys()) if (endpoint.name.startsWith(`${node.id}:`)) breakers.delete(endpoint);
				review();
			});
			created.localBus.on("$services.changed", review);
		},
		stopped() {
			for (const timer of timers) clearTimeout(timer);
		},
		remoteAction: next => ctx => {
			const endpoint = ctx.endpoint as unknown as Endpoint;
			const { timeout } = ctx.options;
			tryOnce(endpoint);
			const timer = timeout ? later(timeout, () => unanswered(endpoint)) : undefined;
			const done = () => {
				if (!timer) return;
				clearTimeout(timer);
				timers.delete(timer);
			};
			return next(ctx).then(
				result => {
					done();
					close(endpoint);
					return result;
				},
				error => {
					done();
					if (!NO_ANSWER.has(typeOf(error))) close(endpoint);
					throw error;
				},
			);
		},
	};
}

/** Said by this node itself: it did not even ask, or whom it asked has gone, which the registry knows by itself. */
const NO_ANSWER = new Set(["BUS_DOWN", "REQUEST_REJECTED"]);

const typeOf = (error: unknown): string =>
	typeof error === "object" && error !== null && "type" in error ? String(error.type) : "";
