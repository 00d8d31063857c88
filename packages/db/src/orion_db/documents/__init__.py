"""Documents that come from the models: Prisma schemas, data dictionaries, diagrams."""
