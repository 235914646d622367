/** How a part of the node is: `down` for what it cannot work without, `degraded` for what it can. */
export type CheckState = "up" | "degraded" | "down";

export interface Readiness {
	status: "ok" | "degraded" | "unavailable" | "draining";
	checks: Record<string, CheckState>;
}

/** Whether this node should get requests. Liveness asks none of this: a restart would not mend a database. */
export interface Health {
	/** From now on not ready: the node finishes what it has and stops. */
	drain(): void;
	/** Not ready until the release is called: something of the start goes on in the background. */
	hold(name: string): () => void;
	ready(): Promise<Readiness>;
}

export interface HealthProbes {
	/** Resolves when the database answers. */
	database(): Promise<unknown>;
	isBrokerUp(): boolean;
	/** What the shop can do without for a while: it remembers, or it just gets slower. */
	optional: Readonly<Record<string, () => boolean>>;
}

const PATIENCE_MS = 1_000;

export function createHealth({ database, isBrokerUp, optional }: HealthProbes): Health {
	let isDraining = false;
	const held = new Set<string>();
	return {
		hold(name) {
			held.add(name);
			return () => void held.delete(name);
		},
		drain() {
			isDraining = true;
		},
		async ready() {
			const checks: Record<string, CheckState> = {
				database: (await answers(database)) ? "up" : "down",
				broker: isBrokerUp() ? "up" : "down",
			};
			for (const name of held) checks[name] = "down";
			for (const [name, isUp] of Object.entries(optional)) checks[name] = isUp() ? "up" : "degraded";
			return { status: isDraining ? "draining" : statusOf(Object.values(checks)), checks };
		},
	};
}

export const isReady = ({ status }: Readiness): boolean => status === "ok" || status === "degraded";

function statusOf(states: readonly CheckState[]): Readiness["status"] {
	if (states.includes("down")) return "unavailable";
	return states.includes("degraded") ? "degraded" : "ok";
}

async function answers(probe: () => Promise<unknown>): Promise<boolean> {
	let timer: NodeJS.Timeout | undefined;
	const tooLate = new Promise<boolean>(resolve => {
		timer = setTimeout(() => resolve(false), PATIENCE_MS);
	});
	const answered = probe().then(
		() => true,
		() => false,
	);
	return Promise.race([answered, tooLate]).finally(() => clearTimeout(timer));
}
