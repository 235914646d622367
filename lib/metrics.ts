import { Counter, Gauge, Registry } from "prom-client";

/**
 * A node's metrics, in Prometheus' text format at `/metrics` of its ops port. Each owner declares its own counters; the
 * registry is the node's, so that several nodes of one process (tests) do not share them.
 */
export interface Metrics {
	/** The counter of this name; asked for again, the same one. Names are `stoa_<what>_total`. */
	counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
	/** Work that was parked: asked for when somebody looks, as counts by kind. */
	countParked(service: string, counts: () => Promise<Readonly<Record<string, number>>>): void;
	/** @returns the page of all metrics */
	page(): Promise<{ type: string; body: string }>;
}

export function createMetrics(): Metrics {
	const registry = new Registry();
	const parked = new Map<string, () => Promise<Readonly<Record<string, number>>>>();
	new Gauge({
		name: "stoa_parked",
		help: "Work that was given up after too many tries and waits for an operator",
		labelNames: ["service", "kind"],
		registers: [registry],
		async collect() {
			for (const [service, counts] of parked) {
				// A database that is away must not take the page of all other metrics with it.
				const found = await counts().catch(() => ({}));
				for (const [kind, count] of Object.entries(found)) this.set({ service, kind }, count);
			}
		},
	});
	return {
		counter<L extends string>(name: string, help: string, labels: readonly L[] = []) {
			const known = registry.getSingleMetric(name);
			if (known) return known as Counter<L>;
			return new Counter<L>({ name, help, labelNames: [...labels], registers: [registry] });
		},
		countParked(service, counts) {
			parked.set(service, counts);
		},
		async page() {
			return { type: registry.contentType, body: await registry.metrics() };
		},
	};
}
