"use strict"
// node rudder_node_views.cjs URL KEY CUSTOMER: ten views by @rudderstack/rudder-sdk-node, which sends the first of
// them at once and the others when it is their time.
const Analytics = require("@rudderstack/rudder-sdk-node")
const views = require("./views.cjs")

const [dataPlaneUrl, writeKey, customer] = process.argv.slice(2)
views(new Analytics(writeKey, { dataPlaneUrl }), customer)
