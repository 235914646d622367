import { compileRoute, METHODS, type Method, type RegisteredAction, type Route, splitPath } from "./route.ts";

interface Node {
	literals: Map<string, Node>;
	wildcard: Node | undefined;
	routes: Map<Method, Route>;
}

const createNode = (): Node => ({ literals: new Map(), wildcard: undefined, routes: new Map() });

export interface Match {
	route: Route;
	/** Still percent-encoded, in the order of `route.names`. */
	values: readonly string[];
}

/** What the gateway answers: one route per method and path, found segment by segment, a word before a `:name`. */
export class RouteTable {
	readonly #root = createNode();
	readonly #routes: Route[] = [];

	get routes(): readonly Route[] {
		return this.#routes;
	}

	/** @throws when another action has this route already */
	add(route: Route): void {
		let node = this.#root;
		for (const segment of route.segments) {
			if (segment.startsWith(":")) {
				node.wildcard ??= createNode();
				node = node.wildcard;
			} else {
				const next: Node = node.literals.get(segment) ?? createNode();
				node.literals.set(segment, next);
				node = next;
			}
		}
		const holder = node.routes.get(route.method);
		if (holder) throw new Error(`${route.method} ${route.pattern} belongs to ${holder.action} already`);
		node.routes.set(route.method, route);
		this.#routes.push(route);
	}

	/** The route, or the methods this path knows instead (none: there is no such path). HEAD is answered as GET. */
	match(method: string, path: string): Match | { allowed: string[] } {
		const wanted = (method === "HEAD" ? "GET" : method) as Method;
		const allowed = new Set<string>();
		const found = this.#find(this.#root, splitPath(path), 0, [], wanted, allowed);
		return (
			found ?? {
				allowed: METHODS.filter(known => allowed.has(known)).flatMap(known =>
					known === "GET" ? ["GET", "HEAD"] : known,
				),
			}
		);
	}

	#find(
		node: Node,
		segments: readonly string[],
		at: number,
		values: readonly string[],
		method: Method,
		allowed: Set<string>,
	): Match | undefined {
		const segment = segments[at];
		if (segment === undefined) {
			const route = node.routes.get(method);
			if (route) return { route, values };
			for (const known of node.routes.keys()) allowed.add(known);
			return undefined;
		}
		const literal = node.literals.get(segment);
		const found = literal && this.#find(literal, segments, at + 1, values, method, allowed);
		if (found || !node.wildcard || segment === "") return found;
		return this.#find(node.wildcard, segments, at + 1, [...values, segment], method, allowed);
	}
}

/**
 * Keeps what the registry has taught: a service that is away keeps its routes (they answer 503), one that came back
 * without an action loses that route.
 */
export class LearnedRoutes {
	readonly #known = new Map<string, RegisteredAction[]>();
	readonly #onMistake: (action: string, reason: string) => void;
	readonly #told = new Set<string>();
	table = new RouteTable();

	/** @param onMistake told once per mistake: the action is left out, the others are served */
	constructor(onMistake: (action: string, reason: string) => void) {
		this.#onMistake = onMistake;
	}

	learn(services: ReadonlyMap<string, readonly RegisteredAction[]>): void {
		for (const [name, actions] of services) this.#known.set(name, [...actions]);
		const table = new RouteTable();
		for (const action of [...this.#known.values()].flat().sort((a, b) => (a.name < b.name ? -1 : 1))) {
			try {
				const route = compileRoute(action);
				if (route) table.add(route);
			} catch (error) {
				this.#mistake(action.name, error instanceof Error ? error.message : String(error));
			}
		}
		this.table = table;
	}

	#mistake(action: string, reason: string): void {
		if (this.#told.has(`${action} ${reason}`)) return;
		this.#told.add(`${action} ${reason}`);
		this.#onMistake(action, reason);
	}
}

/** The registry's actions by their service, so that a service is learned as a whole. */
export function byService(actions: readonly RegisteredAction[]): Map<string, RegisteredAction[]> {
	const services = new Map<string, RegisteredAction[]>();
	for (const action of actions) {
		const service = action.name.slice(0, action.name.lastIndexOf("."));
		services.set(service, [...(services.get(service) ?? []), action]);
	}
	return services;
}
