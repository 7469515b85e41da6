import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * A Java client of a model server: predict over REST, with nothing but the JDK (17 or newer).
 *
 * <p>{@code java Predict.java http://localhost:8501 half_plus_two 2 3 4}
 */
public final class Predict {
  public static void main(String[] arguments) throws Exception {
    if (arguments.length < 3) {
      System.err.println("usage: java Predict.java http://HOST:PORT MODEL VALUE...");
      System.exit(2);
    }
    String values = Arrays.stream(arguments).skip(2).collect(Collectors.joining(", "));
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(arguments[0] + "/v1/models/" + arguments[1] + ":predict"))
            .timeout(Duration.ofSeconds(30))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString("{\"instances\": [" + values + "]}"))
            .build();
    HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      System.err.println("HTTP " + response.statusCode() + ": " + response.body());
      System.exit(1);
    }
    System.out.println(response.body());
  }

  private Predict() {}
}
