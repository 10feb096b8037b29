# Program: javac and a JVM with its garbage collector's threads
# Demand: processes
# Expect: ok
# Prints: ^sum 499500 on [0-9]+ threads$
# Needs: java javac
cat > Main.java <<'END'
import java.util.concurrent.*;
import java.util.stream.*;
public class Main {
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    Future<Integer> sum = pool.submit(() -> IntStream.range(0, 1000).parallel().sum());
    System.out.println("sum " + sum.get() + " on " + Thread.activeCount() + " threads");
    pool.shutdown();
  }
}
END
javac Main.java && java -Xmx256m Main
