"use strict"
// Ten views as a server tells them, by the calls that the Node.js clients of Segment and of RudderStack share.

/** Views ten products by `analytics`, one after the other, and leaves sending to the client. */
module.exports = (analytics, userId) => {
  for (let place = 0; place < 10; place++) {
    const properties = { product_id: `item-${place}`, category: "tv", price: 100 + place }
    analytics.track({ userId, event: "Product Viewed", properties })
  }
}
