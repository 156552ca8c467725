import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/** java Visit.java URL KEY CUSTOMER: ten events by Java's own client as it is made by default. */
public class Visit {
  // asks to go on in HTTP/2 (Upgrade: h2c) with its first request on each connection
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  public static void main(String[] given) {
    check(CLIENT.sendAsync(event(given, 0), BodyHandlers.ofString()).join());
    IntStream.range(1, 10)
        .mapToObj(place -> CLIENT.sendAsync(event(given, place), BodyHandlers.ofString()))
        .toList()
        .stream()
        .map(CompletableFuture::join)
        .forEach(Visit::check);
  }

  private static HttpRequest event(String[] given, int place) {
    String event = """
        {"userId": "%s", "messageId": "java-%d", "event": "Product Viewed", "properties": {"price": 1.5}}"""
        .formatted(given[2], place);
    return HttpRequest.newBuilder(URI.create(given[0] + "/v1/track"))
        .header("Authorization", "Bearer " + given[1])
        .POST(BodyPublishers.ofString(event))
        .build();
  }

  private static void check(HttpResponse<String> answer) {
    if (answer.statusCode() != 200) {
      throw new IllegalStateException(answer.statusCode() + " " + answer.body());
    }
  }
}
