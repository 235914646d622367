/** Takes out of a body, in place, what says nothing. */
export type Prune = (value: unknown) => void;

type Rule = Record<string, unknown>;

/**
 * Fields that may be left out and know no null: there null says the same as nothing, as the validator has it, and
 * services need not tell the two apart. The same at every level of the body, in lists too.
 * @param fields the rules of an object's fields, also as another node told them
 */
export function pruneFields(fields: object): Prune {
	const absent: string[] = [];
	const inner: [string, Prune][] = [];
	for (const [name, rule] of Object.entries(fields)) {
		if (isOptional(rule)) absent.push(name);
		const prune = pruneOf(rule);
		if (prune) inner.push([name, prune]);
	}
	return value => {
		if (!isObject(value)) return;
		for (const name of absent) if (value[name] === null) delete value[name];
		for (const [name, prune] of inner) prune(value[name]);
	};
}

/** @returns undefined where nothing can be taken out */
function pruneOf(rule: unknown): Prune | undefined {
	if (Array.isArray(rule)) return all(rule);
	if (!isObject(rule)) return undefined;
	const { type, props, properties, items, rules, value: valueRule } = rule;
	if (type === "multi") return Array.isArray(rules) ? all(rules) : undefined;
	if (type === "object") {
		const fields = props ?? properties;
		return isObject(fields) ? pruneFields(fields) : undefined;
	}
	if (type !== "array" && type !== "record") return undefined;
	const prune = pruneOf(type === "array" ? items : valueRule);
	return prune && (value => isContainer(value) && each(Object.values(value), prune));
}

function all(rules: readonly unknown[]): Prune | undefined {
	const prunes = rules.flatMap(rule => pruneOf(rule) ?? []);
	return prunes.length === 0 ? undefined : value => each(prunes, prune => prune(value));
}

function each<T>(items: readonly T[], work: (item: T) => void): void {
	for (const item of items) work(item);
}

/** And not nullable. */
function isOptional(rule: unknown): boolean {
	if (typeof rule === "string") return /\|optional\b/.test(rule) && !rule.includes("|nullable");
	if (Array.isArray(rule)) return rule.some(isOptional) && !rule.some(isNullable);
	return isObject(rule) && rule["optional"] === true && !isNullable(rule);
}

const isNullable = (rule: unknown): boolean =>
	typeof rule === "string" ? rule.includes("|nullable") : isObject(rule) && rule["nullable"] === true;

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;

const isObject = (value: unknown): value is Rule => isContainer(value) && !Array.isArray(value);
