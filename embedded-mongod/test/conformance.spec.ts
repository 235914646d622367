import { aggregateCases } from "./conformance/aggregate.ts";
import { crudCases } from "./conformance/crud.ts";
import { indexCases } from "./conformance/indexes.ts";
import { pipelineUpdateCases } from "./conformance/pipeline-updates.ts";
import { plannerCases } from "./conformance/planner.ts";
import { profilerCases } from "./conformance/profiler.ts";
import { queryCases } from "./conformance/queries.ts";
import { serverCases } from "./conformance/server.ts";
import { updateCases } from "./conformance/updates.ts";
import { type Client, connect, type Db, targets } from "./support/servers.ts";

const groups = {
	"Reading and writing": crudCases,
	"What filters match": queryCases,
	"Update operators": updateCases,
	"Updates by a pipeline": pipelineUpdateCases,
	Indexes: indexCases,
	"Which index a query uses": plannerCases,
	Aggregation: aggregateCases,
	"The profiler": profilerCases,
	"The server": serverCases,
};
const { list, note } = targets();
if (note) process.stdout.write(`${note}\n`);

describe.each(list)("Conformance of $name", ({ isReal, start }) => {
	let server: Awaited<ReturnType<typeof start>>;
	let client: Client;
	let db: Db;

	beforeAll(async () => {
		server = await start();
		client = await connect(server.uri);
	});
	beforeEach(async () => {
		db = client.db(`conformance_${Math.random().toString(36).slice(2)}`);
	});
	afterEach(() => db.dropDatabase());
	afterAll(async () => {
		await client?.close();
		await server?.stop();
	});

	describe.each(Object.entries(groups))("%s", (_, cases) => {
		const runnable = cases.filter(c => !(isReal && c.embeddedOnly));
		it.each(runnable)("$name", async ({ run }) => {
			expect.hasAssertions();
			await run(db, client);
		});
	});
});
