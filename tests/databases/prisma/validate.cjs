// Reads a schema from the file named, validates it as Prisma does, and prints its models, enums and indexes as JSON.
const { readFileSync } = require("node:fs");
const prisma = require("@prisma/prisma-schema-wasm");

const schema = readFileSync(process.argv[2], "utf8");
prisma.validate(JSON.stringify({ prismaSchema: [["schema.prisma", schema]] }));
process.stdout.write(prisma.get_dmmf(JSON.stringify({ prismaSchema: schema })));
