import type { AppBroker } from "../../../lib/typed.ts";
import type { RegistryAction, RegistryNode, RegistryService } from "../api.contract.ts";
import type { RegisteredAction, Route } from "./route.ts";

interface ActionEntry {
	name: string;
	available: boolean;
	action?: RegisteredAction;
}
interface ServiceEntry {
	name: string;
	fullName?: string;
	nodeID: string;
	available: boolean;
	local: boolean;
}
interface NodeEntry {
	id: string;
	local: boolean;
	available: boolean;
}
/** Moleculer types none of these lists. */
interface Registry {
	getActionList(options: object): ActionEntry[];
	getServiceList(options: object): ServiceEntry[];
	getNodeList(options: object): NodeEntry[];
}

/** The live registry, as far as the gateway and operators want to know it. */
export class RegistryView {
	readonly #registry: Registry;

	constructor(broker: AppBroker) {
		this.#registry = broker.registry as unknown as Registry;
	}

	/** Every action some node offers now, those behind an open circuit breaker too. */
	actions(): RegisteredAction[] {
		return this.#registry
			.getActionList({ skipInternal: true })
			.flatMap(({ action, name }) => (action ? [{ ...action, name }] : []));
	}

	nodes(): RegistryNode[] {
		const services = this.#services();
		return this.#registry
			.getNodeList({ withServices: false })
			.map(({ id, local, available }) => ({
				id,
				isLocal: local,
				isAvailable: available,
				services: services.filter(service => service.nodeID === id).map(service => service.name),
			}))
			.sort((a, b) => (a.id < b.id ? -1 : 1));
	}

	services(): RegistryService[] {
		const byName = new Map<string, RegistryService>();
		for (const { name, nodeID, available } of this.#services()) {
			const known = byName.get(name) ?? { name, nodes: [], isAvailable: false };
			byName.set(name, { name, nodes: [...known.nodes, nodeID], isAvailable: known.isAvailable || available });
		}
		return [...byName.values()];
	}

	actionsWithRoutes(routes: readonly Route[]): RegistryAction[] {
		const routeOf = new Map(routes.map(route => [route.action, `${route.method} ${route.pattern}`]));
		return this.#registry
			.getActionList({ skipInternal: true })
			.map(({ name, available }) => ({ name, route: routeOf.get(name) ?? null, isAvailable: available }))
			.sort((a, b) => (a.name < b.name ? -1 : 1));
	}

	#services(): ServiceEntry[] {
		return this.#registry
			.getServiceList({ skipInternal: true })
			.map(service => ({ ...service, name: service.fullName ?? service.name }))
			.sort((a, b) => (a.name < b.name ? -1 : 1));
	}
}
