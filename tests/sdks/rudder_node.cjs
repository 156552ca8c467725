"use strict"
// node rudder_node.cjs URL KEY CUSTOMER: a visit by @rudderstack/rudder-sdk-node, which gzips what it sends.
const Analytics = require("@rudderstack/rudder-sdk-node")
const visit = require("./visit.cjs")

const [dataPlaneUrl, writeKey, customer] = process.argv.slice(2)
const analytics = new Analytics(writeKey, { dataPlaneUrl })
visit(analytics, customer)
analytics.flush()
