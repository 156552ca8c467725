import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.TrackMessage;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** java -cp JARS SegmentVisit.java URL KEY CUSTOMER: five events by Segment's Java library, once they are delivered. */
public class SegmentVisit {
  public static void main(String[] given) throws InterruptedException {
    Told told = new Told(new CountDownLatch(5));
    Analytics analytics = Analytics.builder(given[1]).endpoint(given[0]).callback(told).build();
    Map<String, Object> tv = Map.of("product_id", "tv-55", "category", "tv", "price", 499.5, "seen", new Date());
    Map<String, Object> two = Map.of("product_id", "tv-55", "price", "499.50", "quantity", 2L);
    Map<String, Object> order = Map.of("order_id", 1001, "total", 999.0f, "products", List.of(tv));
    List.of(
            IdentifyMessage.builder().traits(Map.of("plan", "free", "since", new Date(0))),
            PageMessage.builder("Start").properties(Map.of("url", "https://shop.example/?q=ü")),
            TrackMessage.builder("Product Viewed").properties(tv),
            TrackMessage.builder("Product Added").properties(two),
            TrackMessage.builder("Order Completed").properties(order))
        .forEach(message -> analytics.enqueue(message.userId(given[2])));
    analytics.flush();
    boolean all = told.left().await(100, TimeUnit.SECONDS);
    analytics.shutdown();
    System.exit(all ? 0 : 1);
  }

  /** Counts down with each event that is delivered. */
  private record Told(CountDownLatch left) implements Callback {
    @Override
    public void success(Message message) {
      left.countDown();
    }

    @Override
    public void failure(Message message, Throwable fault) {
      System.err.println(message.type() + ": " + fault);
      System.exit(1);
    }
  }
}
