// Prints what Maven's own resolver says about the lines of standard input, which is how
// `versions.tsv` and `ranges.tsv` beside this file were made:
//
//   CLASSPATH=maven-resolver-util.jar:maven-resolver-api.jar
//   cut -f1,2 versions.tsv | java -cp $CLASSPATH VersionOracle.java versions
//   cut -f1,2 ranges.tsv | java -cp $CLASSPATH VersionOracle.java ranges
import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.eclipse.aether.util.version.GenericVersionScheme;
import org.eclipse.aether.version.InvalidVersionSpecificationException;

public class VersionOracle {
    public static void main(String[] arguments) throws Exception {
        GenericVersionScheme scheme = new GenericVersionScheme();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line; (line = input.readLine()) != null; ) {
            String[] field = line.split("\t", -1);
            String answer;
            if (arguments[0].equals("versions")) {
                int order = scheme.parseVersion(field[0]).compareTo(scheme.parseVersion(field[1]));
                answer = order < 0 ? "<" : order > 0 ? ">" : "=";
            } else {
                try {
                    boolean inside = scheme.parseVersionConstraint(field[0])
                            .containsVersion(scheme.parseVersion(field[1]));
                    answer = inside ? "yes" : "no";
                } catch (InvalidVersionSpecificationException malformed) {
                    answer = "error";
                }
            }
            System.out.println(field[0] + "\t" + field[1] + "\t" + answer);
        }
    }
}
