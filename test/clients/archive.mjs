// Reads an archive with DuckDB as one hive partitioned table and prints, by file,
// the digest that columnar.Table.Digest describes, and the rows of each day.
import { createHash } from "node:crypto";
import { DuckDBInstance } from "@duckdb/node-api";
import { encode } from "./encode.mjs";

const [root] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create()).connect();
const text = (s) => `'${s.replaceAll("'", "''")}'`;
const name = (s) => `"${s.replaceAll('"', '""')}"`;
const archive = `read_parquet(${text(`${root}/**/*.parquet`)}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true, filename = true, file_row_number = true)`;
const rowsOf = async (sql) => (await connection.runAndReadAll(sql)).getRows();

const files = {};
for (const [file] of await rowsOf(`SELECT DISTINCT filename FROM ${archive}`)) {
  // Other files' columns are there too, all null: only its own count.
  const own = (await rowsOf(`DESCRIBE SELECT * FROM read_parquet(${text(file)}, hive_partitioning = false)`)).map(([n]) => n);
  own.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const reader = await connection.runAndReadAll(`SELECT ${own.map(name).join(", ")} FROM ${archive} WHERE filename = ${text(file)} ORDER BY file_row_number`);
  const types = reader.columnTypes().map(String);
  const hash = createHash("sha256");
  for (const row of reader.getRows()) hash.update(Buffer.concat(row.map((v, i) => encode(v, types[i]))));
  files[file] = hash.digest("hex");
}
const days = {};
for (const [signal, year, month, day, product, rows] of await rowsOf(`SELECT signal, year, month, day, product, count(*) FROM ${archive} GROUP BY ALL`)) {
  days[`${signal} ${year}-${month}-${day} ${product}`] = Number(rows);
}
// Partitions are pruned by name, without opening their files.
const [[elsewhere]] = await rowsOf(`SELECT count(*) FROM ${archive} WHERE strftime(make_timestamp_ns(ts), '%Y-%m-%d') <> year || '-' || month || '-' || day`);
console.log(JSON.stringify({ files, days, elsewhere: Number(elsewhere) }));
