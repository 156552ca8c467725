"use strict"
// node segment_node_views.cjs URL KEY CUSTOMER: ten views by @segment/analytics-node, sent when it is its time.
const { Analytics } = require("@segment/analytics-node")
const views = require("./views.cjs")

const [host, writeKey, customer] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey })
analytics.on("error", (fault) => {
  console.error(fault)
  process.exitCode = 1
})
views(analytics, customer)
