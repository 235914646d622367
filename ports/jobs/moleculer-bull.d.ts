declare module "moleculer-bull" {
	/** A service mixin with `getQueue(name)`; moleculer-bull ships no types. */
	export default function createService(url: string, queueOptions?: Record<string, unknown>): Record<string, unknown>;
}
