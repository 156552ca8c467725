"use strict"
// node segment_node.cjs URL KEY CUSTOMER: a visit by @segment/analytics-node, which ends when all is delivered.
const { Analytics } = require("@segment/analytics-node")
const visit = require("./visit.cjs")

const [host, writeKey, customer] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey })
analytics.on("error", (fault) => {
  console.error(fault)
  process.exitCode = 1
})
visit(analytics, customer)
analytics.closeAndFlush()
